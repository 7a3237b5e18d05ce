if settling > 0 then return answer('settling', settling) end
return answer('ready')
