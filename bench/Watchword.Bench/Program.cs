Console.WriteLine("usage: bench/run main");
return 0;
